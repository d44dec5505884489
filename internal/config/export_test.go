package config

// The rules of names that a variable gives.
var (
	CheckNamespace      = checkNamespace
	CheckDimensionValue = checkDimensionValue
)
