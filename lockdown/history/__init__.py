"""The history: a chain of signed records, two for each run, in a store where nothing is written over.

``records`` and ``chain`` are pure; ``store`` and ``session`` touch the world. docs/history.md describes the format.
"""
