package lint

import (
	"regexp"
	"strings"
	"time"
)

// fixedZones are zones of IANA that people write for a place whose clocks change.
var fixedZones = map[string]string{
	"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu",
	"GMT": "Europe/London", "GMT0": "Europe/London", "GMT+0": "Europe/London", "GMT-0": "Europe/London",
	"Greenwich": "Europe/London", "Etc/GMT": "Europe/London", "Etc/Greenwich": "Europe/London",
}

// abbreviations are not IANA zones; the values are what people who write them mean.
var abbreviations = map[string]string{
	"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles", "MDT": "America/Denver",
	"CST": "America/Chicago", "CDT": "America/Chicago", "EDT": "America/New_York", "ET": "America/New_York",
	"BST": "Europe/London", "CEST": "Europe/Berlin", "EEST": "Europe/Helsinki", "WEST": "Europe/Lisbon",
	"IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney",
	"NZST": "Pacific/Auckland", "Z": "UTC",
}

var (
	offsetZone = regexp.MustCompile(`^Etc/GMT([+-])([0-9]{1,2})$`)
	offset0    = regexp.MustCompile(`(?i)^(?:UTC|GMT)? ?([+-])0?([0-9]{1,2})(?::?00)?$`)
)

// opposite is the sign of an offset as the zones of Etc write it (POSIX).
func opposite(sign string) string { return map[string]string{"+": "-", "-": "+"}[sign] }

// oddZone reports what a zone means that exists, and is seldom meant.
func oddZone(zone string) (text, fix string) {
	if place, ok := fixedZones[zone]; ok {
		return zone + " knows no daylight saving time", "write " + place + ", or the zone of your city, unless you mean that"
	}
	if found := offsetZone.FindStringSubmatch(zone); found != nil && found[2] != "0" {
		return zone + " is UTC" + opposite(found[1]) + found[2] + ": its sign is the other way round",
			"write the zone of your city"
	}
	return "", ""
}

// noZone is the problem of a time zone that does not exist, with the one that was probably meant.
func noZone(name string, err error) Problem {
	p := Problem{Text: quoted(name) + " is not an IANA time zone"}
	place, abbreviated := abbreviations[strings.ToUpper(name)]
	offset := offset0.FindStringSubmatch(name)
	switch spelt := inRegion(name); {
	case abbreviated:
		p.Fix = "write " + place + ", or the zone of your city"
	case spelt != "":
		p.Fix = "write " + spelt
	case offset != nil:
		p.Fix = "write the zone of your city, or Etc/GMT" + opposite(offset[1]) + offset[2] + ", whose sign is the other " +
			"way round and which knows no daylight saving time"
	default:
		p.Text = err.Error()
	}
	return p
}

// inRegion finds a zone by its city alone, or by its name in small letters: new york is America/New_York.
func inRegion(name string) string {
	parts := strings.Split(strings.ReplaceAll(strings.TrimSpace(name), " ", "_"), "/")
	for i, part := range parts {
		words := strings.Split(part, "_")
		for j, w := range words {
			if w != "" {
				words[j] = strings.ToUpper(w[:1]) + strings.ToLower(w[1:])
			}
		}
		parts[i] = strings.Join(words, "_")
	}
	city := strings.Join(parts, "/")
	for _, region := range []string{
		"", "Europe/", "America/", "Asia/", "Australia/", "Africa/", "Pacific/", "Atlantic/", "Indian/", "Antarctica/",
	} {
		if zone, err := time.LoadLocation(region + city); err == nil && city != "" && city != "Local" &&
			zone.String() == region+city {
			return region + city
		}
	}
	return ""
}
