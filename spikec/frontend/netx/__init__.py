"""The front door for .net, the network files of lava-dl (netx)."""
