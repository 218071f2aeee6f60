mod scopes_restriction;
