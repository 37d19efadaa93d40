"""probekit: what a Transformer knows about language, in which layer, and how sure you may be."""
