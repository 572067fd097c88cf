// Package browsertest looks at the status page with a real browser: live and without
// JavaScript, on a phone and a desk, in light and dark. It is a module of its own, so that
// nobody who imports the library downloads a driver for browsers.
//
// The tests use the Chromium that $AUTOSCALE_TEST_CHROMIUM names, or one that is installed
// (Debian's package chromium), and the script of axe-core (https://github.com/dequelabs/axe-core)
// that $AUTOSCALE_TEST_AXE names. With $AUTOSCALE_TEST_PICTURES, a folder, they keep a
// picture of each page there.
package browsertest
