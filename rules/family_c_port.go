package rules

import (
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// openPort is one entry of a service's ports. Numbers are the first of a range,
// 0 where there is none or only the operator knows it.
type openPort struct {
	service           string
	of                lint.Service
	node              recipe.Node // the short form's item, or the long form's target
	target, published int
	host              string // the address, "" for all
	udp               bool
	local             bool // only on the node that runs the task
}

// written is the entry as the file has it.
func (o openPort) written() string { return shorten(o.node.Text()) }

// where says where the port is open.
func (o openPort) where() string {
	if o.local {
		return "on every address of the node that runs it"
	}
	return "on every address of every node"
}

// eachPort calls use for every published port, once for each place.
func eachPort(p *lint.Pass, use func(openPort)) {
	said := places{}
	for _, service := range p.Services() {
		for _, item := range service.Node.Get("ports").Items() {
			o := openPort{service: service.Name, of: service}
			if item.IsMap() {
				o.long(item)
			} else {
				o.short(item)
			}
			if o.node.IsScalar() && o.node.Text() != "" && !said.again(o.node.Range()) {
				use(o)
			}
		}
	}
}

func (o *openPort) long(item recipe.Node) {
	o.node = item.Get("target")
	o.target, o.published = portNumber(fallback(o.node.Text())), portNumber(fallback(item.Get("published").Text()))
	o.host = item.Get("host_ip").Text()
	o.udp = item.Get("protocol").Text() == "udp"
	o.local = item.Get("mode").Text() == "host"
}

func (o *openPort) short(item recipe.Node) {
	o.node = item
	reading := values{}.expand(item.Text())
	text, protocol, _ := strings.Cut(reading.text, "/")
	o.udp = protocol == "udp"
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		published := text[:at]
		text = text[at+1:]
		if at = strings.LastIndexByte(published, ':'); at >= 0 {
			o.host, published = strings.Trim(published[:at], "[]"), published[at+1:]
		}
		o.published = portNumber(published)
	}
	o.target = portNumber(text)
}

// portNumber reads a port, or the first of a range.
func portNumber(text string) int {
	text, _, _ = strings.Cut(text, "-")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0
	}
	return n
}

// loopback tells whether an address is the machine's own.
func loopback(address string) bool {
	return strings.HasPrefix(address, "127.") || address == "::1" || address == "localhost"
}

// everyAddress tells whether an address means all of a machine's.
func everyAddress(address string) bool {
	return address == "" || address == "0.0.0.0" || address == "::" || address == "*"
}

// internalPorts are ports of servers that trust whoever reaches them, or ask for
// nothing but a password.
var internalPorts = map[int]string{
	1433: "SQL Server", 1521: "Oracle", 2181: "ZooKeeper", 2375: "the docker API", 2376: "the docker API", 2377: "swarm management",
	2379: "etcd", 2380: "etcd", 3306: "MySQL", 4369: "Erlang", 5432: "PostgreSQL", 5672: "RabbitMQ", 5984: "CouchDB",
	6379: "Redis", 6543: "PostgreSQL", 7474: "Neo4j", 7687: "Neo4j", 8529: "ArangoDB", 9042: "Cassandra", 9092: "Kafka",
	9200: "Elasticsearch", 9229: "the Node.js debugger", 9230: "the Node.js debugger", 9300: "Elasticsearch", 9644: "Redpanda",
	11211: "memcached", 15672: "RabbitMQ", 27017: "MongoDB", 27018: "MongoDB", 28015: "RethinkDB", 29092: "Kafka",
}

// directPorts are those of protocols that do not go through a web proxy.
var directPorts = map[int]bool{
	21: true, 22: true, 25: true, 53: true, 67: true, 68: true, 80: true, 110: true, 143: true, 389: true, 443: true, 465: true, 587: true,
	636: true, 853: true, 993: true, 995: true, 1025: true, 1883: true, 1935: true, 2022: true, 2222: true, 3478: true, 3479: true,
	3901: true, 4190: true, 5044: true, 5060: true, 5061: true, 5062: true, 5063: true, 5222: true, 5269: true, 5349: true, 6667: true,
	6697: true, 6881: true, 8333: true, 8448: true, 8883: true, 21115: true, 21116: true, 21117: true, 25565: true, 30120: true,
	33010: true, 51820: true, 64738: true,
}

// directOf are such ports of single images, at numbers that others use for the
// web.
var directOf = map[string]int{
	"cloudflared": 5054, "go-ipfs": 4001, "jvb": 10000, "kubo": 4001, "logstash": 5000, "logstash-oss": 5000, "rtorrent-rutorrent": 50000,
}
