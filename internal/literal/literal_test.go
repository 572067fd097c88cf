package literal_test

import (
	"cmp"
	"testing"

	"github.com/autoscalebot/autoscale/internal/literal"
)

func TestLiteral(t *testing.T) {
	for value, wrong := range map[string]bool{
		"": false, "0e0e0e0e-0000-4000-8000-00000000000e": false, "pa$$word": false, "a<b>c": false, "it's": false, "https://example.com/hook": false,
		"${TOKEN}": true, "$(cat token)": true, "{{ .Token }}": true, "$TOKEN": true, "%TOKEN%": true, "a${B": true,
		`"token"`: true, "'token'": true, "“token”": true, "<your token>": true,
		"op://vault/item/field": true, "vault:secret/data/x": true, "arn:aws:secretsmanager:eu-west-1:1:secret:x": true, "#{token}": true,
	} {
		if text := cmp.Or(literal.Variable(value), literal.Secret(value)); (text != "") != wrong {
			t.Errorf("%q: %q", value, text)
		}
	}
}
