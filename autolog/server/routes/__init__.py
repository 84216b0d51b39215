"""The routes of each dialect: what each request does with the store. The codecs are in `autolog.dialects`."""
