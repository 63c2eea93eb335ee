"""The pipes of nodes: configs, the stored series, and what was dropped."""
