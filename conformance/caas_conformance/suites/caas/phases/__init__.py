"""The phases of the suite: one module (or package) each, found by being here."""
