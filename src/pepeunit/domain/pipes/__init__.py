"""What a node's YAML pipe keeps of what is published (spec datapipe.md)."""
