"""An HTTP process without state: it parses, tokenises and renders; the core does the rest."""
