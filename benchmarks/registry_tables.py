"""The measurements that are modules with a command line and tables of their own."""

from __future__ import annotations

from typing import Final

from .spec import Need, Table

ACAS: Final = (Need.ACAS,)
SEEDED: Final = ("--seed", "0")

BOUNDS: Final = (
    Table(
        "cell_bounds",
        "neurons that each kind of bound leaves open on 200 cells of the 8^5 grid, and its time",
        ("--net", "1_1", "--cells", "200", "--lp", "200", *SEEDED),
        ("--cells", "2", "--lp", "1", "--samples", "4000"),
        needs=ACAS,
    ),
    Table(
        "linear_bounds",
        "backward linear bounds of all cells beside auto_LiRPA's, against the machine's peak",
        ("--net", "1_1", "--cells", "all", "--threads", "2", "--rounds", "2", *SEEDED),
        ("--cells", "4", "--rounds", "1", "--alone"),
        needs=ACAS,
    ),
    Table(
        "device_bounds",
        "bounds and phases of 128 cells in batches by torch, beside the compiled loops",
        ("--device", "cpu", "--net", "1_1", "--cells", "128", *SEEDED),
        ("--cells", "3", "--boxes", "3", "--check", "2", "--rounds", "1"),
        needs=ACAS,
    ),
    Table(
        "memory",
        "how much memory searches hold: a million boxes bounded, a million that wait at once",
        ("--boxes", "1000000"),
        ("--boxes", "2000", "--only", "neurons"),
        needs=ACAS,
    ),
    Table(
        "cost_models",
        "what each way of working takes on drawn networks, and laws fitted to it",
        ("--joint", "160", *SEEDED),
        ("--joint", "0", "--shapes", "4"),
    ),
    Table(
        "cost_choices",
        "which way goes first on ACAS Xu instances, by the laws and by the number of inputs",
        ("--every", "6"),
        ("--every", "93"),
        needs=ACAS,
    ),
    Table(
        "difference_bounds",
        "bounds of f - g on boxes of published pairs, by difference bounds and of both merged",
        ("--pairs", "12", "--boxes", "256", "--shrink", "2", *SEEDED),
        ("--pairs", "1", "--boxes", "4", "--rounds", "1"),
        needs=(Need.PAIRS,),
    ),
    Table(
        "optimised_slopes",
        "bounds with optimised slopes on 64 cells, by compiled loops and by auto_LiRPA in turn",
        ("--net", "1_1", "--cells", "64", "--rounds", "3", *SEEDED),
        ("--cells", "2", "--steps", "0,2", "--rounds", "1", "--peer", "no"),
        needs=ACAS,
    ),
    Table(
        "program_build",
        "building the big-M program of a network, through arrays and by PuLP",
        ("--network", "1_1", "--pairs", "25", *SEEDED),
        ("--pairs", "1"),
        needs=ACAS,
    ),
    Table(
        "profile",
        "where the commands spend their time, by kind of work and by function",
        ("--places", "6"),
        ("--jobs", "verify-short"),
        needs=(*ACAS, Need.PAIRS),
    ),
    Table(
        "neuron_programs",
        "200 questions about single neurons: ours, OMLT's big-M program and PuLP's",
        ("--ways", "boxes,programs,omlt,pulp", *SEEDED),
        ("--ways", "boxes", "--sample", "1", "--limit", "10"),
        limit=4 * 3600.0,
        needs=ACAS,
    ),
    Table(
        "startup",
        "how long the command takes to start, and what it holds in memory",
        ("--runs", "15"),
        ("--runs", "1"),
    ),
)

QUESTIONS: Final = (
    Table(
        "acas",
        "ACAS Xu, all 186 instances of VNN-COMP, by secateur and two other verifiers",
        (
            *("--solvers", "secateur,vibecheck,neuralsat"),
            *("--limit", "116", "--cores", "1"),
        ),
        ("--instances", "2_2:2", "--limit", "30", "--cores", "1"),
        limit=12 * 3600.0,
        needs=ACAS,
    ),
    Table(
        "pairs",
        "published questions about two networks, settled and compared with what is known",
        ("--limit", "120", *SEEDED),
        ("--families", "reludiff-mnist16", "--sample", "1", "--limit", "10"),
        limit=4 * 3600.0,
        threads=2,
        needs=(Need.PAIRS,),
    ),
    Table(
        "scaling",
        "work of settling pairs against epsilon and against the size of the region",
        ("--to", "scaling.svg", "--limit", "20", *SEEDED),
        ("--to", "scaling.svg", "--limit", "0.5", "--pairs", "vnncomp26-iso-june-1062"),
        limit=2 * 3600.0,
        needs=(Need.PAIRS,),
    ),
)

REDUNDANCY: Final = (
    Table(
        "whole_domain",
        "phases of every neuron of whole ACAS Xu networks over their whole domain",
        ("--nets", "5_9,1_1,2_4,3_3", "--seconds", "110", *SEEDED),
        ("--nets", "5_9", "--seconds", "2"),
        needs=ACAS,
        threads=2,
    ),
    Table(
        "redundancy_cells",
        "joint redundancy on random cells: what each step removes, what it costs, if it holds",
        ("--nets", "1_1,5_9", "--cells", "50", "--keep", "argmin", "--seconds", "20", *SEEDED),
        ("--nets", "1_1", "--cells", "1", "--keep", "argmin", "--seconds", "3", "--points", "200"),
        needs=ACAS,
    ),
    Table(
        "planted",
        "networks whose redundant neurons and near misses are known, simplified",
        SEEDED,
        ("--seconds", "5"),
    ),
    Table(
        "image_redundancy",
        "phase redundancy of MNIST networks around test images",
        ("--pictures", "2", *SEEDED),
        (
            *("--nets", "dense", "--radii", "0.01", "--pictures", "1"),
            *("--seconds", "1", "--points", "10", "--networks", "."),
        ),
        needs=(Need.IMAGES,),
    ),
    Table(
        "image_joint",
        "joint redundancy of MNIST networks around test images",
        ("--pictures", "2", *SEEDED),
        (
            *("--nets", "dense", "--radii", "0.005", "--pictures", "1"),
            *("--seconds", "1", "--points", "10", "--networks", "."),
        ),
        needs=(Need.IMAGES,),
    ),
    Table(
        "mnist_networks",
        "the three networks of the image measurements, trained",
        ("--out", "networks", *SEEDED),
        ("--out", "trained", "--nets", "dense", "--epochs", "1"),
        needs=(Need.IMAGES,),
    ),
)

PROOFS: Final = (
    Table(
        "certificates",
        "what certificates cost: proving, recording evidence, checking it",
        ("--families", "acas,verydiff-acas,reludiff-acas16", *SEEDED),
        ("--families", "acas", "--sample", "1", "--limit", "10"),
        limit=4 * 3600.0,
        needs=(Need.ACAS, Need.PAIRS),
    ),
    Table(
        "cell_certificates",
        "certificates of simplified networks on random cells, checked from their files",
        ("--nets", "1_1,5_9", "--cells", "50", *SEEDED),
        ("--nets", "1_1", "--cells", "1", "--seconds", "2", "--limit", "10"),
        needs=ACAS,
    ),
    Table(
        "image_certificates",
        "certificates of image networks around test images, checked from their files",
        ("--pictures", "2", *SEEDED),
        (
            *("--nets", "dense", "--radii", "0.01", "--cut-radii", ""),
            *("--pictures", "1", "--seconds", "5", "--networks", "."),
        ),
        needs=(Need.IMAGES,),
    ),
    Table(
        "proof_fuzz",
        "the reader of proofs and the checker, fed with bytes that a fuzzer makes up",
        ("--seconds", "600", *SEEDED),
        ("--seconds", "2"),
        needs=(Need.FUZZER,),
    ),
)

SLICES: Final = (
    Table(
        "slices_phases",
        "phases of every neuron on cells of the 8^5 grid: proved, refuted, and what it took",
        ("--nets", "1_1", "--cells", "512", "--samples", "100000", *SEEDED),
        ("--nets", "1_1", "--cells", "2", "--samples", "1000", "--boxes", "8", "--workers", "1"),
        threads=2,
        needs=ACAS,
    ),
    Table(
        "slices_adaptive",
        "adaptive slices against a grid, at equal cells and at equal saving",
        ("--net", "1_1", "--cells", "1024", "--workers", "2"),
        ("--net", "1_1", "--cells", "8", "--workers", "1"),
        threads=2,
        needs=ACAS,
    ),
    Table(
        "slices_hidden",
        "slices of hidden values of image networks: neurons left as cells grow in number",
        ("--boxes", "5", "--cells", "1,4,16,64,256", "--workers", "2", *SEEDED),
        (
            *("--boxes", "1", "--cells", "1,2", "--neurons", "1"),
            *("--workers", "1", "--networks", "."),
        ),
        threads=2,
        needs=(Need.IMAGES,),
    ),
    Table(
        "slices_killed",
        "runs over cells whose driver or workers are killed at random moments",
        ("--kills", "200", *SEEDED),
        ("--kills", "1"),
        threads=2,
        limit=4 * 3600.0,
    ),
    Table(
        "slices_overhead",
        "what scheduling and storing cost a cell",
        ("--cells", "32768"),
        ("--cells", "64"),
        threads=2,
    ),
    Table(
        "family",
        "a network for each cell in one file: bytes, time to load, evaluations a second",
        ("--net", "1_1", "--parts", "8", "--points", "100000", *SEEDED),
        ("--net", "1_1", "--parts", "2", "--points", "2000", "--sample", "4"),
        needs=ACAS,
    ),
)

COMPRESSION: Final = (
    Table(
        "repair",
        "compressed controllers before and after repair, at equal size",
        (
            *("rows.jsonl", "--settings", "acas:prop1:*", "demo:prop1:*"),
            *("--boxes", "4000", "--iterations", "3", "--seconds", "45"),
        ),
        (
            *("rows.jsonl", "--settings", "demo:prop1:float16"),
            *("--boxes", "100", "--iterations", "1", "--steps", "5", "--seconds", "3"),
        ),
        limit=2 * 3600.0,
        needs=ACAS,
    ),
    Table(
        "repair_images",
        "MNIST classifiers compressed and repaired: accuracy, and certified distance",
        ("--rate", "2e-3", "--steps", "500", "--seconds", "200", "--balls", "2", *SEEDED),
        (
            *("--epochs", "1", "--iterations", "1", "--steps", "2", "--balls", "1"),
            *("--boxes", "1", "--seconds", "2", "--methods", "int8"),
        ),
        limit=2 * 3600.0,
        needs=(Need.IMAGES,),
    ),
    Table(
        "latent",
        "which numbers predict what a layer's compression costs, by architecture",
        ("latent", "--data", "mnist5k", "--spec", "small", "alexnet", "vgg16", "resnet50", *SEEDED),
        ("latent", "--data", "mnist5k", "--spec", "small-least"),
        limit=4 * 3600.0,
        needs=(Need.IMAGES,),
    ),
    Table(
        "selfcompress",
        "self-compression: accuracy over bytes, safety at equal bits, and exact removal",
        ("--parts", "curve,arms,exact", "--data", "mnist5k"),
        ("--parts", "exact", "--networks", "1"),
        limit=4 * 3600.0,
        needs=(Need.IMAGES,),
    ),
    Table(
        "exemplars",
        "the share of an embedded controller's regions on which a compressed one differs",
        ("regions", "--seconds", "6"),
        ("regions", "--seconds", "0.1", "--region", "head-on-close"),
    ),
)

TABLES: Final = (*BOUNDS, *QUESTIONS, *REDUNDANCY, *PROOFS, *SLICES, *COMPRESSION)
