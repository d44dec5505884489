package retry

import "time"

// ForIAM is how long IAM gets to learn of a permission that was just granted (IAM User Guide, "Changes that I make are
// not always immediately visible").
const ForIAM = 4 * time.Second
