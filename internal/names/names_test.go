package names_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

var list = []string{"red", "green", "blue"}

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", time.Nanosecond: "1s", 822 * time.Microsecond: "1s", time.Second: "1s", 3001 * time.Millisecond: "4s",
		59*time.Second + 1: "1m00s", time.Hour: "1h00m",
	} {
		if got := names.Left(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	for i, want := range []string{"red", "green", "blue", "Color(3)"} {
		if got := names.Of(list, i, "Color"); got != want {
			t.Errorf("%d is %q, want %q", i, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for i, name := range list {
		if got, err := names.Parse(list, []byte(name), "color"); err != nil || got != i {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "Red", "pink", "red "} {
		_, err := names.Parse(list, []byte(text), "color")
		if err == nil || !strings.Contains(err.Error(), "unknown color") || !strings.Contains(err.Error(), "red, green, blue") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSets(t *testing.T) {
	for set, want := range []string{"none", "red", "green", "red|green", "blue", "red|blue", "green|blue", "red|green|blue"} {
		if got := names.OfSet(list, uint32(set)); got != want {
			t.Errorf("%b is %q, want %q", set, got, want)
		}
		if got, err := names.ParseSet(list, []byte(want), "color"); err != nil || got != uint32(set) {
			t.Errorf("%q is %b, %v, want %b", want, got, err, set)
		}
	}
	for _, text := range []string{"", "red|", "|", "red,green", "none|red"} {
		if got, err := names.ParseSet(list, []byte(text), "color"); err == nil || got != 0 {
			t.Errorf("%q is %b", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{1234 * time.Nanosecond, "1µs"},
		{9876543 * time.Nanosecond, "9.877ms"},
		{12345678 * time.Nanosecond, "12ms"},
		{9999 * time.Millisecond, "9.999s"},
		{12345 * time.Millisecond, "12.3s"},
		{time.Minute, "1m00s"},
		{90500 * time.Millisecond, "1m30s"},
		{time.Hour, "1h00m"},
		{25*time.Hour + 7*time.Minute + 59*time.Second, "25h07m"},
		{-90 * time.Second, "-1m30s"},
		{math.MinInt64, "-2562047h47m"},
	} {
		if got := names.Duration(tt.d); got != tt.want {
			t.Errorf("%d is %q, want %q", tt.d, got, tt.want)
		}
	}
}
