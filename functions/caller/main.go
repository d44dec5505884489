// Command caller is the Lambda function that makes the scheduled calls.
package main

func main() {}
