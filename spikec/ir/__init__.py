"""The graph language that every room speaks: types, ops, graphs, their text form, builder and edits."""
