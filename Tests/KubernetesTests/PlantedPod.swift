import Foundation
import Processes
import Testing

/// A pod with every field that Kubernetes 1.35 defines, and in every text of it `planted-<path>`.
enum PlantedPod {
    /// Its JSON, made from the definitions that the simulator is judged by.
    static func json() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        let (status, output) = try ChildProcess.run(
            ["python3", "-c", script, root + "/SimulatorTests/Resources/definitions-v1.35.0.json.gz"], together: false)
        try #require(status == 0, "python3 is needed for this test")
        return String(decoding: output, as: UTF8.self)
    }

    private static let script = """
        import gzip, json, sys
        definitions = json.load(gzip.open(sys.argv[1]))["$defs"]
        def value(schema, path, depth):
            if "$ref" in schema:
                name = schema["$ref"].split("/")[-1]
                if name.endswith("Quantity"): return "1"
                if name.endswith("Time"): return "2026-11-01T10:00:00Z"
                if name.endswith("IntOrString"): return "planted-" + path
                return value(definitions[name], path, depth + 1)
            kind = schema.get("type", "object")
            if isinstance(kind, list): kind = [k for k in kind if k != "null"][0]
            if schema.get("format") == "date-time": return "2026-11-01T10:00:00Z"
            if kind == "string": return "planted-" + path
            if kind in ("integer", "number"): return 1
            if kind == "boolean": return True
            if depth > 24: return [] if kind == "array" else {}
            if kind == "array": return [value(schema["items"], path, depth + 1)]
            if "properties" in schema:
                return {k: value(v, path + "." + k if path else k, depth + 1) for k, v in schema["properties"].items()}
            if isinstance(schema.get("additionalProperties"), dict):
                return {"planted-key": value(schema["additionalProperties"], path, depth + 1)}
            return {}
        print(json.dumps(value(definitions["io.k8s.api.core.v1.Pod"], "", 0)))
        """
}
