"""Networks on cores: what a core holds, and how layers are split over cores."""
