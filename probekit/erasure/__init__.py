"""Taking a concept, a neuron, a head or a word away, to see what depended on it."""
