package mutate

// Varied is what a test adds to its seeds.
var Varied = varied
