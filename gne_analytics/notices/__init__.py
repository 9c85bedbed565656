"""Violation messaging: render a notice, lint its template, measure how complete the record's notices are."""
