"""Who may see what is private: give, list and take back permissions."""
