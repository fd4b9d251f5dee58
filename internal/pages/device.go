package pages

import (
	"slices"
	"strings"

	"milepost/internal/answer"
	"milepost/internal/query"
)

// Device is what a page is read on, of a closed list; empty: nobody knows.
type Device string

const (
	Windows Device = "Windows"
	Mac     Device = "Mac"
	Linux   Device = "Linux"
	IPhone  Device = "iPhone, iPad"
	Android Device = "Android"
)

// DeviceOf tells the device by a browser's User-Agent header (RFC 9110 §10.1.5). An iPad
// says that it is a Mac; only script can tell.
func DeviceOf(userAgent string) Device {
	userAgent = userAgent[:min(len(userAgent), 256)]
	for _, d := range []struct {
		word   string
		device Device
	}{
		{"iPhone", IPhone}, {"iPad", IPhone}, {"Android", Android}, // before Linux, which Android says too
		{"Windows", Windows}, {"Macintosh", Mac}, {"Linux", Linux}, {"X11", Linux},
	} {
		if strings.Contains(userAgent, d.word) {
			return d.device
		}
	}
	return ""
}

// device is a kind of device with its clients, the likeliest first. "other" is listed
// under none.
type device struct {
	Device  Device
	clients []string
}

var devices = []device{
	{Windows, []string{"outlook-new", "outlook-classic", "thunderbird"}},
	{Mac, []string{"apple-mac", "outlook-mac", "thunderbird"}},
	{Linux, []string{"thunderbird", "evolution", "kmail"}},
	{IPhone, []string{"apple-mobile", "outlook-mobile"}},
	{Android, []string{"gmail-app", "thunderbird-android", "outlook-mobile", "samsung", "fairemail"}},
}

// On returns the reader with what a page depends on beside the language: the client that
// client= in the query chose, and the device.
func (r Reader) On(rawQuery, userAgent string) Reader {
	r.Device = DeviceOf(userAgent)
	chosen, _ := query.Get(rawQuery, "client")
	if slices.ContainsFunc(clients, func(c client) bool { return c.id == chosen }) {
		r.Client = chosen
	}
	return r
}

// choose finds the client whose procedure is shown, and the device under which it is
// listed: what the link says, else the first on the device that can be used at all.
func (r Reader) choose(a answer.Answer) (string, device) {
	here := devices[slices.IndexFunc(devices, func(d device) bool { return d.Device == r.Device || r.Device == "" && d.Device == Linux })]
	if r.Client == "" {
		for _, id := range here.clients {
			if i := slices.IndexFunc(clients, func(c client) bool { return c.id == id }); clients[i].canUse(a) {
				return id, here
			}
		}
		return here.clients[0], here
	}
	if slices.Contains(here.clients, r.Client) {
		return r.Client, here
	}
	if i := slices.IndexFunc(devices, func(d device) bool { return slices.Contains(d.clients, r.Client) }); i >= 0 {
		return r.Client, devices[i]
	}
	here.clients = append(slices.Clip(here.clients), r.Client) // it is none of a device's
	return r.Client, here
}
