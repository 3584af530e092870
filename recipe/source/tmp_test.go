package source
import ("testing")
func BenchmarkTmpVersions(b *testing.B) {
	dirs := benchClones(b, 100)
	for b.Loop() { for _, d := range dirs { r := open(b, d, Options{}); if len(versionsOf(b,r))<20 {b.Fatal()}; r.Close() } }
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(dirs)), "µs/versions")
}
