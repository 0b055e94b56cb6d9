"""The composition root, one file per feature: adapters into services into entrypoints. Nothing imports it but `app.py`,
commands and the demo."""
