"""What is handed over: signatures over a run, the seal around it, and the verifier that needs neither Azure nor us.

docs/evidence.md describes the files, the two predicates and how to check them by hand.
"""
