"""Fakes and frame factories, public: what our own tests use, yours may too."""
