"""The shape that everything speaks: a record, its bodies and its media."""
