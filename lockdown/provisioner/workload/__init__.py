"""What runs in the cluster: rendered from provision/workload/, brought in by AKS run-command, and watched."""
