package picture

// Each glyph has 5 by 7 dots. A row is a number whose bits are the dots. A dot is a square
// of pixel by pixel.
const (
	pixel       = 4
	glyphHeight = 7 * pixel
	advance     = 6 * pixel
)

var glyphs = map[rune][7]uint8{
	'0': {0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110},
	'1': {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
	'2': {0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111},
	'3': {0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110},
	'4': {0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010},
	'5': {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
	'6': {0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110},
	'7': {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000},
	'8': {0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110},
	'9': {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
	'.': {0, 0, 0, 0, 0, 0b01100, 0b01100},
	':': {0, 0b01100, 0b01100, 0, 0b01100, 0b01100, 0},
	'-': {0, 0, 0, 0b11111, 0, 0, 0},
	'+': {0, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0},
	'e': {0, 0, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110},
	'k': {0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010},
	'm': {0, 0, 0b11010, 0b10101, 0b10101, 0b10001, 0b10001},
	's': {0, 0, 0b01110, 0b10000, 0b01110, 0b00001, 0b11110},
	'M': {0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001},
}

// width returns how wide text is.
func width(text string) int { return len(text) * advance }

// text writes text. A character without a glyph is left blank.
func (c canvas) text(x, y int, text string) {
	for _, r := range text {
		for row, bits := range glyphs[r] {
			for column := range 5 {
				if bits>>(4-column)&1 == 1 {
					c.rect(x+column*pixel, y+row*pixel, x+(column+1)*pixel, y+(row+1)*pixel, ink)
				}
			}
		}
		x += advance
	}
}
