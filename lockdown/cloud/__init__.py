"""The one door to Azure for reading."""
