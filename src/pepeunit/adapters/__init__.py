"""The driven side: one technology, one package; translate, call, translate back."""
