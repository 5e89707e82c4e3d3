"""Pages for people: one self-contained HTML file each, with no network and no script."""
