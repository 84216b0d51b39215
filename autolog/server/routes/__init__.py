"""The routes of each dialect: which call does what with the store. Codecs are in `autolog.dialects`."""
