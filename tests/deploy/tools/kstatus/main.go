// Command kstatus reads a JSON list of Kubernetes objects on standard input and prints, as a JSON list in the same
// order, what Flux, Helm and `kpt live` make of each: InProgress, Failed, Current, Terminating or NotFound.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run() error {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("standard input must be a JSON list of objects: %w", err)
	}
	statuses := make([]status.Status, 0, len(objects))
	for index, raw := range objects {
		var object unstructured.Unstructured
		// UnmarshalJSON of an unstructured object keeps whole numbers whole, which kstatus needs for generations.
		if err := object.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("object %d: %w", index, err)
		}
		result, err := status.Compute(&object)
		if err != nil {
			return fmt.Errorf("object %d: %w", index, err)
		}
		statuses = append(statuses, result.Status)
	}
	return json.NewEncoder(os.Stdout).Encode(statuses)
}
