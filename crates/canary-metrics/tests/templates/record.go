// Records what Go's text/template makes of each template in vectors.json: `go run record.go` in this folder.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"text/template"
)

type vector struct {
	Template string `json:"template"`
	// One of the two: the rendered text, or the step at which it fails.
	Output *string `json:"output,omitempty"`
	Fails  string  `json:"fails,omitempty"`
}

func value(text string) func() string { return func() string { return text } }

func main() {
	functions := template.FuncMap{
		"name": value("podinfo"), "namespace": value("test"), "target": value("podinfo-target"), "service": value("podinfo-svc"),
		"ingress": value("podinfo-ing"), "route": value("podinfo-route"), "interval": value("1m"),
		"variables": func() map[string]string {
			return map[string]string{"zone": "a", "code": "5..", "empty": "", "text": "é<b>'&\"\\ x"}
		},
	}
	file, err := os.ReadFile("vectors.json")
	check(err)
	var vectors []vector
	check(json.Unmarshal(file, &vectors))
	for i := range vectors {
		v := &vectors[i]
		v.Output, v.Fails = nil, ""
		parsed, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(v.Template)
		if err != nil {
			v.Fails = "parse"
			continue
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, nil); err != nil {
			v.Fails = "render"
			continue
		}
		text := out.String()
		v.Output = &text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteString("[\n")
	for i, v := range vectors {
		if i > 0 {
			out.Truncate(out.Len() - 1)
			out.WriteString(",\n")
		}
		check(encoder.Encode(v))
	}
	out.WriteString("]\n")
	check(os.WriteFile("vectors.json", out.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
