package retry

import "time"

// ForIAM is how long IAM may need to propagate a permission that was just granted (IAM User Guide, "Changes that I make
// are not always immediately visible").
const ForIAM = 4 * time.Second
