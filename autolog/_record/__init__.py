"""The record, the data model shared by all parts of autolog, with its bodies and media."""
