package config

// The rules of names that variables set.
var (
	CheckNamespace      = checkNamespace
	CheckDimensionValue = checkDimensionValue
)
