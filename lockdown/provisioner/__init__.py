"""Builds the private environment: Environment -> Blueprint -> Plan -> apply."""
