"""The GraphQL door: the contract as SDL, resolvers over the use cases, and its transport."""
