"""Tables, pages and plots of what spikec.cost holds."""
