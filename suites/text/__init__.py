"""What people and programs give as text: files, JSON and YAML, read within stated limits."""
