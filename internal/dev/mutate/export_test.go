package mutate

var (
	// Varied is what a test adds to its seeds.
	Varied = varied
	// ReadInput reads a file of a corpus.
	ReadInput = read
)
