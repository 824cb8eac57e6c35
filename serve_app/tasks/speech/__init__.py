"""Speech synthesis as entrances see it: fields, parsers, encoded sound."""
