"""
The engine C{dbengine}: what a node keeps on its disk.

Newest samples are in hot pages (C{pages}, C{pool}, C{node}), older ones in
row groups in segment files, by tier; C{catalog} and C{names} say what the
numbers in them mean.  C{engine} is the whole.
"""
