/// An EC2 instance type, as far as the world needs it.
struct InstanceType: Sendable {
    var name: String
    var vcpus: Int
    var memoryMiB: Int
    /// Kubernetes' word: amd64 or arm64.
    var architecture: String
    /// Pods that the network interfaces have addresses for.
    var podsMax: Int
    /// US dollars per hour in us-east-1.
    var onDemandPrice: Double

    var family: String { String(name.prefix { $0 != "." }) }

    /// Memory that the kernel sees: t3.small reports 1,959,264 Ki of its 2 GiB on a real cluster.
    var visibleMemoryMiB: Int { memoryMiB * 934 / 1000 }

    /// What the kubelet keeps for itself on EKS: 60m of the first core, 10m of the second, 5m of the next two, 2.5m of
    /// each further one.
    var reservedMilliCPU: Int {
        let steps = [60.0, 10, 5, 5]
        return Int((0..<vcpus).map { $0 < steps.count ? steps[$0] : 2.5 }.reduce(0, +).rounded(.up))
    }

    /// 255 MiB + 11 MiB per pod for the kubelet, and the 100 MiB eviction threshold.
    var allocatableMemoryMiB: Int { visibleMemoryMiB - (255 + 11 * podsMax) - 100 }
    var allocatableMilliCPU: Int { vcpus * 1000 - reservedMilliCPU }
}

/// Instance types with their real sizes and prices (kubernetes-sigs/karpenter-provider-aws tables, 2026, Apache-2.0).
enum InstanceCatalogue {
    static let all: [InstanceType] = common + families

    /// The types that a market lists when it is asked for none in particular.
    static let common: [InstanceType] = table.split(separator: "\n").compactMap { line in
        let fields = line.split(separator: " ").map(String.init)
        guard fields.count == 6, let vcpus = Int(fields[1]), let memory = Int(fields[2]), let pods = Int(fields[4]),
            let price = Double(fields[5])
        else { return nil }
        return InstanceType(
            name: fields[0], vcpus: vcpus, memoryMiB: memory, architecture: fields[3], podsMax: pods,
            onDemandPrice: price)
    }

    /// Whatever a client may ask to launch: a node of another size than the real one would mislead it.
    private static let families: [InstanceType] = instanceFamiliesText.split(separator: "\n").flatMap { line in
        let words = line.split(separator: " ")
        return words.dropFirst(2).compactMap { entry -> InstanceType? in
            let fields = entry.split(separator: ":")
            let numbers = fields.dropFirst().compactMap { Int($0) }
            guard fields.count == 5, numbers.count == 4 else { return nil }
            return InstanceType(
                name: "\(words[0]).\(fields[0])", vcpus: numbers[0], memoryMiB: numbers[1],
                architecture: String(words[1]), podsMax: numbers[2], onDemandPrice: Double(numbers[3]) / 1_000_000)
        }
    }

    static let byName: [String: InstanceType] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// A type that is not in the table still makes a node, of the size its name suggests.
    static func type(named name: String) -> InstanceType {
        if let known = byName[name] { return known }
        let size = name.split(separator: ".").last.map(String.init) ?? ""
        let vcpus = size == "xlarge" ? 4 : Int(size.prefix { $0.isNumber }).map { $0 * 4 } ?? 2
        return InstanceType(
            name: name, vcpus: vcpus, memoryMiB: vcpus * 4096, architecture: "amd64", podsMax: 58,
            onDemandPrice: Double(vcpus) * 0.048)
    }

    // name, vCPUs, MiB, architecture, pods, USD per hour
    private static let table = """
        t3.small 2 2048 amd64 11 0.020800
        t3.medium 2 4096 amd64 17 0.041600
        t3.large 2 8192 amd64 35 0.083200
        t3.xlarge 4 16384 amd64 58 0.166400
        t3.2xlarge 8 32768 amd64 58 0.332800
        m5.large 2 8192 amd64 29 0.096000
        m5.xlarge 4 16384 amd64 58 0.192000
        m5.2xlarge 8 32768 amd64 58 0.384000
        m5.4xlarge 16 65536 amd64 234 0.768000
        m5.8xlarge 32 131072 amd64 234 1.536000
        m5a.large 2 8192 amd64 29 0.086000
        m5a.xlarge 4 16384 amd64 58 0.172000
        m5a.2xlarge 8 32768 amd64 58 0.344000
        m5a.4xlarge 16 65536 amd64 234 0.688000
        m5a.8xlarge 32 131072 amd64 234 1.376000
        m6i.large 2 8192 amd64 29 0.096000
        m6i.xlarge 4 16384 amd64 58 0.192000
        m6i.2xlarge 8 32768 amd64 58 0.384000
        m6i.4xlarge 16 65536 amd64 234 0.768000
        m6i.8xlarge 32 131072 amd64 234 1.536000
        m6a.large 2 8192 amd64 29 0.086400
        m6a.xlarge 4 16384 amd64 58 0.172800
        m6a.2xlarge 8 32768 amd64 58 0.345600
        m6a.4xlarge 16 65536 amd64 234 0.691200
        m6a.8xlarge 32 131072 amd64 234 1.382400
        m7i.large 2 8192 amd64 29 0.100800
        m7i.xlarge 4 16384 amd64 58 0.201600
        m7i.2xlarge 8 32768 amd64 58 0.403200
        m7i.4xlarge 16 65536 amd64 234 0.806400
        m7i.8xlarge 32 131072 amd64 234 1.612800
        m6g.medium 1 4096 arm64 8 0.038500
        m6g.large 2 8192 arm64 29 0.077000
        m6g.xlarge 4 16384 arm64 58 0.154000
        m6g.2xlarge 8 32768 arm64 58 0.308000
        m6g.4xlarge 16 65536 arm64 234 0.616000
        m6g.8xlarge 32 131072 arm64 234 1.232000
        c5.large 2 4096 amd64 29 0.085000
        c5.xlarge 4 8192 amd64 58 0.170000
        c5.2xlarge 8 16384 amd64 58 0.340000
        c5.4xlarge 16 32768 amd64 234 0.680000
        c5a.large 2 4096 amd64 29 0.077000
        c5a.xlarge 4 8192 amd64 58 0.154000
        c5a.2xlarge 8 16384 amd64 58 0.308000
        c5a.4xlarge 16 32768 amd64 234 0.616000
        c5a.8xlarge 32 65536 amd64 234 1.232000
        c6i.large 2 4096 amd64 29 0.085000
        c6i.xlarge 4 8192 amd64 58 0.170000
        c6i.2xlarge 8 16384 amd64 58 0.340000
        c6i.4xlarge 16 32768 amd64 234 0.680000
        c6i.8xlarge 32 65536 amd64 234 1.360000
        c6a.large 2 4096 amd64 29 0.076500
        c6a.xlarge 4 8192 amd64 58 0.153000
        c6a.2xlarge 8 16384 amd64 58 0.306000
        c6a.4xlarge 16 32768 amd64 234 0.612000
        c6a.8xlarge 32 65536 amd64 234 1.224000
        c6g.medium 1 2048 arm64 8 0.034000
        c6g.large 2 4096 arm64 29 0.068000
        c6g.xlarge 4 8192 arm64 58 0.136000
        c6g.2xlarge 8 16384 arm64 58 0.272000
        c6g.4xlarge 16 32768 arm64 234 0.544000
        c6g.8xlarge 32 65536 arm64 234 1.088000
        r5.large 2 16384 amd64 29 0.126000
        r5.xlarge 4 32768 amd64 58 0.252000
        r5.2xlarge 8 65536 amd64 58 0.504000
        r5.4xlarge 16 131072 amd64 234 1.008000
        r5.8xlarge 32 262144 amd64 234 2.016000
        r5a.large 2 16384 amd64 29 0.113000
        r5a.xlarge 4 32768 amd64 58 0.226000
        r5a.2xlarge 8 65536 amd64 58 0.452000
        r5a.4xlarge 16 131072 amd64 234 0.904000
        r5a.8xlarge 32 262144 amd64 234 1.808000
        r6i.large 2 16384 amd64 29 0.126000
        r6i.xlarge 4 32768 amd64 58 0.252000
        r6i.2xlarge 8 65536 amd64 58 0.504000
        r6i.4xlarge 16 131072 amd64 234 1.008000
        r6i.8xlarge 32 262144 amd64 234 2.016000
        r6a.large 2 16384 amd64 29 0.113400
        r6a.xlarge 4 32768 amd64 58 0.226800
        r6a.2xlarge 8 65536 amd64 58 0.453600
        r6a.4xlarge 16 131072 amd64 234 0.907200
        r6a.8xlarge 32 262144 amd64 234 1.814400
        """
}
