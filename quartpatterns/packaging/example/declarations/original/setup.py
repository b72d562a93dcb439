"""A Flask application with its templates and static files."""

from setuptools import find_packages, setup

setup(
    name="yourapplication",
    version="1.0",
    long_description=__doc__,
    packages=find_packages(),
    include_package_data=True,
    zip_safe=False,
    install_requires=["Flask>=0.2", "BrokenPackage>=0.7,<=1.0"],
)
