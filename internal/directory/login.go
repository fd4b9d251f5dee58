package directory

// Login is how somebody logs in.
type Login struct{ Name, FullName string }
