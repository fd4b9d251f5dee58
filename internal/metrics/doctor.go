package metrics

// Diagnosis is how a visitor's wish to have a domain examined ends.
type Diagnosis uint8

const (
	DoctorA       Diagnosis = iota // examined, with this grade
	DoctorB                        //
	DoctorC                        //
	DoctorD                        //
	DoctorE                        //
	DoctorF                        //
	DoctorKept                     // one is shown that is under way or was made just now
	DoctorLimited                  // the client has had its share
	DoctorBusy                     // too many are under way
	diagnosisResults
)

var diagnosisNames = [diagnosisResults]string{"A", "B", "C", "D", "E", "F", "kept", "rate", "load"}

// Diagnosed counts one.
func (m *Metrics) Diagnosed(how Diagnosis) {
	if m != nil {
		m.diagnoses.add(int(how))
	}
}

// DoctorRefusal is why something is not asked that a diagnosis led to.
type DoctorRefusal uint8

const (
	DoctorAddress DoctorRefusal = iota // it is not public, or this machine's own
	DoctorPort                         // it is neither one of mail nor one of the web
	DoctorName                         // it is a name of somebody's own network
	DoctorRate                         // the address has had its share of connections
	doctorRefusals
)

var doctorRefusalNames = [doctorRefusals]string{"address", "port", "name", "rate"}

// DoctorRefused counts one.
func (m *Metrics) DoctorRefused(why DoctorRefusal) {
	if m != nil {
		m.unreached.add(int(why))
	}
}
