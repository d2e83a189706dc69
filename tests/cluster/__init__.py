"""The sandbox beside real LiveKit servers, one and several: whole processes, as they would be deployed."""
